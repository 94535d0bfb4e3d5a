import { join } from 'node:path'
import t from 'tap'
import { LocalDriver } from '../../../server/storage/local-driver.ts'
import { storageContract } from '../../contract/storage-contract.ts'
import { storeFiles } from '../../helpers/start-server.ts'

storageContract(t, async t => {
  const folder = join(t.testdir(), 'store')
  const driver = await LocalDriver.open(folder)
  t.teardown(() => driver.close())
  return { driver, keys: () => storeFiles(folder) }
})
