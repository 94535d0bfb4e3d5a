import t from 'tap'
import { repositoryPath } from './helpers/programs.ts'
import { startProcess } from './helpers/start-process.ts'

t.test(
  'ten thousand interleavings of several servers on a store that may fail them keep the promises, and everything wrong is found',
  async t => {
    const script = repositoryPath('test/property/run-model.ts')

    const { code, stdout, stderr } = await startProcess(t, process.execPath, [script, '10000']).ended

    t.match(stdout, /^10000 interleavings, all promises kept/)
    t.equal(stdout.match(/: after \d+ interleavings, (?!NOT FOUND)/g)?.length, 14, stdout)
    t.equal(code, 0, stderr)
  }
)
