import { bringDown } from './down.ts'
import { givenKubeconfig, kubectl, kubectlCommand, ownKubeconfig } from './kubectl.ts'
import { inNamespace } from './network.ts'
import { isThere } from './once-cached.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { stateFolder } from './paths.ts'
import { say } from './progress.ts'
import { bringUp } from './up.ts'

// `node test/cluster/main.ts up|down`. A cluster of the user's own, named by KUBECONFIG, is only asked whether it answers.
const commands: Readonly<Record<string, () => Promise<void>>> = {
  up: async () => {
    if (givenKubeconfig !== undefined) {
      await kubectl('get', '--raw', '/readyz')
      return say(`the cluster of KUBECONFIG=${givenKubeconfig} answers; it is used as it is`)
    }
    await oneAtATime(bringUp)
    console.log(`export KUBECONFIG=${ownKubeconfig}`)
    console.log(`in its network:  ${inNamespace.join(' ')} COMMAND`)
    console.log(`kubectl:         ${kubectlCommand.join(' ')}`)
  },
  down: async () => {
    if (givenKubeconfig !== undefined)
      return say(`the cluster of KUBECONFIG=${givenKubeconfig} is left alone`)
    await oneAtATime(async () => {
      if (await isThere(stateFolder)) await bringDown()
    })
  }
}

const command = commands[process.argv[2] ?? '']
if (command === undefined) {
  console.error('usage: node test/cluster/main.ts up|down')
  process.exitCode = 2
} else {
  await command().catch(error => {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  })
}
