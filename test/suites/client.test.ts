import { runFolders } from './run-folders.ts'

await runFolders('client', 'client/kubernetes', 'client/submit')
