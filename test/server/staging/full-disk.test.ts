import t from 'tap'
import { fullDiskPoints } from '../../property/full-disk-points.ts'

// Every single step takes a minute; that is for the integration suite.
fullDiskPoints(t, 23)
