import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findSparkSubmit, sparkHome } from '../../../client/submit/find-spark-submit.ts'

/** A folder with programs that can be run. */
async function withPrograms(t: Test, ...paths: readonly string[]): Promise<string> {
  const folder = t.testdir({ plain: { 'spark-submit': 'no program' } })
  for (const path of paths) {
    await mkdir(join(folder, path, '..'), { recursive: true })
    await writeFile(join(folder, path), '')
    await chmod(join(folder, path), 0o755)
  }
  return folder
}

t.test('the named one wins over SPARK_HOME, and that over the PATH', async t => {
  const folder = await withPrograms(t, 'mine', 'home/bin/spark-submit', 'path/spark-submit')
  const environment = {
    SPARK_HOME: join(folder, 'home'),
    PATH: `:${folder}/none:${folder}/plain:${folder}/path`
  }

  t.equal(await findSparkSubmit(join(folder, 'mine'), environment), join(folder, 'mine'))
  t.equal(await findSparkSubmit(undefined, environment), join(folder, 'home/bin/spark-submit'))
  t.equal(
    await findSparkSubmit(undefined, { ...environment, SPARK_HOME: folder }),
    join(folder, 'path/spark-submit')
  )
})

t.test('without any it says where it looked', async t => {
  const folder = await withPrograms(t)

  const named = findSparkSubmit(join(folder, 'plain/spark-submit'), {})
  await t.rejects(named, { exitCause: 'usage', message: /--spark-submit .* no such program/ })
  await t.rejects(findSparkSubmit(undefined, {}), { exitCause: 'usage', message: /found: no SPARK_HOME/ })
  await t.rejects(findSparkSubmit(undefined, { SPARK_HOME: folder }), { message: /found: SPARK_HOME=/ })
})

t.test("Spark's folder is found as its own scripts find it", async t => {
  const folder = await withPrograms(t, 'home/bin/spark-submit', 'venv/bin/spark-submit')
  const venv = join(folder, 'venv/bin/spark-submit')

  t.equal(await sparkHome(venv, { SPARK_HOME: '/spark' }), '/spark')
  t.equal(await sparkHome(join(folder, 'home/bin/spark-submit'), {}), join(folder, 'home'))
  await writeFile(join(folder, 'venv/bin/find_spark_home.py'), '')
  t.equal(await sparkHome(venv, {}), join(folder, 'venv'))
  await mkdir(join(folder, 'venv/lib/python3.11/site-packages/pyspark'), { recursive: true })
  t.equal(await sparkHome(venv, {}), join(folder, 'venv/lib/python3.11/site-packages/pyspark'))
})
