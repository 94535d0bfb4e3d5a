import { createApp } from '../../../server/app.ts'
import { loadConfig } from '../../../server/config.ts'
import { openStorage } from '../../../server/storage/open-storage.ts'
import { watchDisk } from '../../helpers/watched-disk.ts'

// The real server, configured as ever, that kills itself by SIGKILL before a given step of its disk.
let stepsLeft = Number(process.argv[2])
const disk = watchDisk({
  before() {
    if (stepsLeft === 0) process.kill(process.pid, 'SIGKILL')
    stepsLeft -= 1
  }
})
const config = loadConfig()
const store = await openStorage(config.SPARK_STAGE_STORE, { disk })
const { server } = await createApp(config, {
  store,
  keysDirectory: config.SPARK_STAGE_SIGNING_KEYS_DIR ?? ''
})
const url = await server.listen({ host: '127.0.0.1', port: 0 })
server.log.info({ url }, 'server listening')
