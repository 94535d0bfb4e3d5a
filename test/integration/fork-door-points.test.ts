import t from 'tap'
import { v0Points } from '../server/v0/v0-points.ts'

v0Points(t, 1)
