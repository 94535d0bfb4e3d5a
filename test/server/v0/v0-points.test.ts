import t from 'tap'
import { v0Points } from './v0-points.ts'

// Every step is tried in test/integration.
v0Points(t, 13)
