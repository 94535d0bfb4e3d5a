import { useCluster } from '../cluster/cluster.ts'
import { importMinioImage, importStageImages } from './helpers/images.ts'

// What every test of this folder needs: `node test/e2e/prepare.ts`, once before them.
const cluster = await useCluster()
await importStageImages(cluster)
await importMinioImage(cluster)
