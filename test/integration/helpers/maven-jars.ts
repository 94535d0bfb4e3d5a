import { execFile } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { onceCached } from '../../cluster/once-cached.ts'
import { cacheFolder } from '../../cluster/paths.ts'

const sparkVersion = '3.5.6'
const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'

/**
 * Spark SQL and all that it depends on, from Maven Central: real jars, resolved by `mvn` once a machine and kept in the
 * user's cache.
 *
 * @returns the paths of the jars
 */
export async function mavenJars(): Promise<readonly string[]> {
  const folder = await onceCached(join(cacheFolder, `spark-sql_2.13-${sparkVersion}`), async draft => {
    await mkdir(draft)
    const pom = join(draft, 'pom.xml')
    await writeFile(pom, pomText)
    const args = ['--batch-mode', '--file', pom, `${plugin}:copy-dependencies`, '-DoutputDirectory=.']
    await promisify(execFile)('mvn', args, { cwd: draft })
  })
  return jarsIn(folder)
}

const pomText = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>spark-stage</groupId>
  <artifactId>real-jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.spark</groupId>
      <artifactId>spark-sql_2.13</artifactId>
      <version>${sparkVersion}</version>
    </dependency>
  </dependencies>
</project>
`

async function jarsIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder)
  return names.filter(name => name.endsWith('.jar')).map(name => join(folder, name))
}
