import t from 'tap'
import { crashPoints } from '../../property/crash-points.ts'

// Every single step takes a minute; that is for the integration suite.
crashPoints(t, 17)
