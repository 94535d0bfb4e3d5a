import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { makeAuthority } from './certificates.ts'
import { importImage, startContainerd } from './container-runtime.ts'
import { startControlPlane } from './control-plane.ts'
import { bringDown } from './down.ts'
import { buildImages, type ImageArchive, pauseImage } from './images.ts'
import { missingImages, rememberImage } from './imported-images.ts'
import { kubectl, ownKubeconfig } from './kubectl.ts'
import { checkMachine } from './needs.ts'
import { makeNetwork } from './network.ts'
import { startNode } from './node.ts'
import { isThere } from './once-cached.ts'
import { ownershipMark, stateFolder } from './paths.ts'
import { isRunning, logOf, processNames } from './processes.ts'
import { buildPrograms } from './programs.ts'
import { say } from './progress.ts'
import { waitUntil } from './wait-until.ts'

/** Starts a one-node cluster, or finds it running; builds what the cache lacks of its programs and images. */
export async function bringUp(): Promise<void> {
  await checkMachine()
  await buildPrograms()
  const images = await buildImages()
  if (await isUp()) {
    say('the cluster runs already')
  } else {
    if (await isThere(stateFolder)) await bringDown()
    await start(images).catch(explain)
  }
  await importMissing(images)
  say('the cluster is up')
}

async function start(images: readonly ImageArchive[]): Promise<void> {
  say(`starting a cluster in ${stateFolder}`)
  await mkdir(stateFolder, { recursive: true, mode: 0o711 })
  await writeFile(ownershipMark, '')
  await makeNetwork()
  await makeAuthority()
  await startContainerd()
  // No pod starts without it.
  await importMissing(images.filter(({ name }) => name === pauseImage))
  const kubeconfig = await startControlPlane()
  await waitUntil(
    'the API server is ready',
    90_000,
    async () => (await kubectl('get', '--raw', '/readyz')) === 'ok'
  )
  await startNode(kubeconfig)
  say('waiting for the node')
  await waitUntil('the node is ready', 90_000, isNodeReady)
  const account = ['get', 'serviceaccount', 'default', '--namespace', 'default', '--output', 'name']
  await waitUntil('there are service accounts', 60_000, async () => (await kubectl(...account)) !== '')
}

/** Adds which processes have ended, with their last words. @throws Error always */
async function explain(error: unknown): Promise<never> {
  const lines = [error instanceof Error ? error.message : `${error}`]
  for (const name of await processNames()) {
    if (await isRunning(name)) continue
    const log = logOf(name)
    lines.push(
      `${name} has ended; the end of ${log}:`,
      ...(await readFile(log, 'utf8')).trim().split('\n').slice(-5)
    )
  }
  throw new Error(lines.join('\n'), { cause: error })
}

async function importMissing(images: readonly ImageArchive[]): Promise<void> {
  for (const image of await missingImages(images)) {
    say(`importing ${image.name}`)
    await importImage(image.archive, image.name)
    await rememberImage(image)
  }
}

/** Whether every process of the cluster runs and the node says that it is ready. */
async function isUp(): Promise<boolean> {
  const names = await processNames()
  if (names.length === 0 || !(await isThere(ownKubeconfig))) return false
  const running = await Promise.all(names.map(isRunning))
  return running.every(Boolean) && (await isNodeReady().catch(() => false))
}

async function isNodeReady(): Promise<boolean> {
  const path = 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'
  return (await kubectl('get', 'nodes', '--output', path)) === 'True'
}
