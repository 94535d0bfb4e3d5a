import fc from 'fast-check'
import { interleaving, live } from './model.ts'
import { mutations } from './mutations.ts'

// The model at full length, outside the test runner, whose bookkeeping would make it several times slower.
// Prints the seed when a promise is broken. Usage: node test/property/run-model.ts [RUNS [SEED]]
const [runs = '10000', seed] = process.argv.slice(2)
const seeded = seed === undefined ? {} : { seed: Number(seed) }
const startedMs = Date.now()

await fc.assert(
  fc.asyncProperty(interleaving, events => live(events)),
  { numRuns: Number(runs), ...seeded }
)
const seconds = Math.round((Date.now() - startedMs) / 1000)
console.log(`${runs} interleavings, all promises kept, ${seconds} s`)

for (const [wrongOrder, mutation] of Object.entries(mutations)) {
  const { failed, numRuns, errorInstance } = await fc.check(
    fc.asyncProperty(interleaving, events => live(events, mutation)),
    { numRuns: 30_000, endOnFailure: true, ...seeded }
  )
  if (!failed) process.exitCode = 1
  const found = errorInstance instanceof Error ? errorInstance.message : 'NOT FOUND'
  console.log(`${wrongOrder}: after ${numRuns} interleavings, ${found}`)
}
