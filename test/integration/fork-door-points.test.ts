import t from 'tap'
import { v0Points } from '../property/v0-points.ts'

v0Points(t, 1)
