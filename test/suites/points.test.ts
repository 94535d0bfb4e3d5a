import t from 'tap'
import { crashPoints } from '../property/crash-points.ts'
import { fullDiskPoints } from '../property/full-disk-points.ts'
import { v0Points } from '../property/v0-points.ts'

// Every so many steps; every single one takes minutes and is for the integration suite.
crashPoints(t, 17)
fullDiskPoints(t, 23)
v0Points(t, 13)
