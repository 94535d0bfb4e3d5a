import t from 'tap'
import { crashPoints } from '../property/crash-points.ts'

crashPoints(t, 1)
