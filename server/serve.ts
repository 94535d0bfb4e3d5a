import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import closeWithGrace from 'close-with-grace'
import { secondMs } from '../shared/units.ts'
import { createApp } from './app.ts'
import { type Config, storePlace } from './config.ts'
import { refuseUnfinishedCopy } from './staging/copying/copy-mark.ts'
import { openStorage } from './storage/open-storage.ts'
import { ensureKey } from './tokens/key-ring.ts'

/**
 * Opens the store, listens, and ends cleanly on SIGTERM and SIGINT.
 *
 * @throws Error when the store, the keys, the tokens file or the address cannot be had
 */
export async function serve(config: Config): Promise<void> {
  const { url: storeUrl, s3 } = storePlace(config)
  const store = await openStorage(storeUrl, { s3 })
  await refuseUnfinishedCopy(store).catch(async (error: Error) => {
    await store.close()
    throw error
  })
  const app = await createApp(config, { store, keysDirectory: await findKeys(config) })
  const delay = (config.SPARK_STAGE_DRAIN_SECONDS + 10) * secondMs
  const grace = closeWithGrace({ delay, logger: app.server.log }, async ({ signal }) => {
    app.server.log.info({ signal }, 'server stopping')
    await app.stop()
    await store.close()
    app.server.log.info('server stopped')
  })
  const { SPARK_STAGE_HOST: host, SPARK_STAGE_PORT: port } = config
  const url = await app.server
    .listen({ host, port, listenTextResolver: () => 'address taken' })
    .catch(async (error: Error) => {
      grace.uninstall()
      await app.stop()
      await store.close()
      throw error
    })
  app.server.log.info(
    { url, store: storeUrl, uploadAuth: config.SPARK_STAGE_UPLOAD_AUTH },
    'server listening'
  )
}

/** Where the signing keys are; a server that only this machine reaches makes itself one. */
async function findKeys(config: Config): Promise<string> {
  const given = config.SPARK_STAGE_SIGNING_KEYS_DIR
  if (given !== undefined) return given
  const directory = join(fileURLToPath(config.SPARK_STAGE_STORE), 'keys')
  await ensureKey(directory)
  return directory
}
