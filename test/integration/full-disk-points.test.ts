import t from 'tap'
import { fullDiskPoints } from '../property/full-disk-points.ts'

fullDiskPoints(t, 1)
