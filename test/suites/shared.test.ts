import { runFolders } from './run-folders.ts'

await runFolders('shared', 'docs', 'build', 'deploy')
