import { useCluster } from '../cluster/cluster.ts'
import { importStageImages } from './helpers/images.ts'

// What every test of this folder needs: `node test/e2e/prepare.ts`, once before them.
await importStageImages(await useCluster())
