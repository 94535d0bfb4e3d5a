import type { Disk } from './fake-disk.ts'
import type { Surroundings } from './read-submission.ts'

/** What lies in the working directory `/home/me` and elsewhere when the command lines below are run. */
export const disk: Disk = {
  '/home/me/app.py': 'file',
  '/home/me/analysis.R': 'file',
  '/home/me/job.jar': { mainClass: 'org.example.Job' },
  '/home/me/job-1.2.jar': { mainClass: 'org.example.Job' },
  '/home/me/latest.jar': { linkTo: '/home/me/job-1.2.jar' },
  '/home/me/a.jar': 'file',
  '/home/me/libs/b.jar': 'file',
  '/home/me/libs/c.jar': 'file',
  '/home/me/libs/native': 'directory',
  '/home/me/deps.zip': 'file',
  '/home/me/mod.py': 'file',
  '/home/me/old.egg': 'file',
  '/home/me/conf.json': 'file',
  '/home/me/my file.json': 'file',
  '/home/me/50%.csv': 'file',
  '/home/me/a#b.txt': 'file',
  '/home/me/été.csv': 'file',
  '/home/me/log4j2.properties': 'file',
  '/home/me/env.tar.gz': 'file',
  '/home/me/tool': 'file',
  '/opt/data/ref.csv': 'file'
}

/** One command line: what is staged of it, and what becomes of it; untouched where `becomes` is absent. */
export interface CommandLine extends Surroundings {
  readonly line: string
  readonly staged: readonly string[]
  readonly becomes?: string
}

/**
 * Command lines as people write them. K stands for a Kubernetes master in cluster mode, `@` for the name of the staging
 * directory, `+mount` and `+avoid` for the two properties that come with it, `'…'` holds blanks together.
 */
export const commandLines: readonly CommandLine[] = [
  // Everything is in the image already, or far away.
  { line: 'K --class org.apache.spark.examples.SparkPi local:///opt/spark/examples.jar 1000', staged: [] },
  { line: 'K --name pi --conf spark.executor.instances=5 local:///opt/spark/pi.py', staged: [] },
  { line: 'K --class a.B https://example.org/path/to/examples.jar 1000', staged: [] },
  {
    line: 'K --class a.B --jars https://example.org/a.jar,hdfs://n:9000/b.jar s3a://bucket/c.jar',
    staged: []
  },
  { line: 'K --class a.B --jars local:///opt/a.jar,local:/opt/b.jar hdfs:///jobs/job.jar', staged: [] },
  {
    line: 'K --py-files s3a://b/deps.zip --files gs://b/conf.json#c abfss://c@a.dfs.core.windows.net/app.py',
    staged: []
  },
  {
    line: 'K --packages org.apache.hadoop:hadoop-aws:3.4.1 --repositories https://r local:///app.py',
    staged: []
  },
  { line: 'K --class org.apache.spark.sql.connect.service.SparkConnectServer spark-internal', staged: [] },
  { line: 'K --class a.B spark-internal --jars a.jar', staged: [] },
  { line: '--master k8s://https://k:6443 pyspark-shell', staged: [] },
  { line: 'K --conf spark.jars=local:///opt/x.jar local:///app.py', staged: [] },
  { line: 'K --conf spark.jars=ivy://org.example:lib:1.0 local:///app.py', staged: [] },
  // Not a submission at all, or one that spark-submit refuses.
  { line: '--version', staged: [] },
  { line: '--help --jars a.jar', staged: [] },
  { line: '-h', staged: [] },
  { line: '--usage-error --jars a.jar', staged: [] },
  { line: '', staged: [] },
  { line: '--kill ns:driver-1 --master k8s://https://k:6443', staged: [] },
  { line: '--status ns:driver* --master k8s://https://k:6443 --jars a.jar', staged: [] },
  { line: 'run-example --master k8s://https://k:6443 --jars a.jar SparkPi 10', staged: [] },
  { line: 'pyspark-shell-main --master k8s://https://k:6443 --py-files mod.py', staged: [] },
  { line: 'sparkr-shell-main --files conf.json', staged: [] },
  { line: 'K --files conf.json', staged: [] },
  { line: 'K --files conf.json --jars', staged: [] },
  { line: 'K --conf spark.jars --files conf.json app.py', staged: [] },
  { line: 'K --frobnicate 7 --files conf.json app.py', staged: [] },
  { line: 'K -x --files conf.json app.py', staged: [] },
  { line: 'K --jars= app.py', staged: [] },
  // A primary resource on this machine.
  { line: 'K app.py', staged: ['app app.py'], becomes: 'K +mount @app/app.py' },
  { line: 'K ./app.py', staged: ['app ./app.py'], becomes: 'K +mount @app/app.py' },
  {
    line: 'K file:///home/me/app.py in.csv --jars a.jar',
    staged: ['app app.py'],
    becomes: 'K +mount @app/app.py in.csv --jars a.jar'
  },
  { line: 'K file:/home/me/app.py', staged: ['app app.py'], becomes: 'K +mount @app/app.py' },
  { line: 'K analysis.R', staged: ['app analysis.R'], becomes: 'K +mount @app/analysis.R' },
  {
    line: 'K --class a.B job.jar --verbose',
    staged: ['app job.jar'],
    becomes: 'K --class a.B +mount +avoid @app/job.jar --verbose'
  },
  {
    line: 'K --class=a.B job.jar',
    staged: ['app job.jar'],
    becomes: 'K --class=a.B +mount +avoid @app/job.jar'
  },
  {
    line: 'K job.jar',
    staged: ['app job.jar'],
    becomes: 'K --class org.example.Job +mount +avoid @app/job.jar'
  },
  {
    line: 'K latest.jar',
    staged: ['app latest.jar'],
    becomes: 'K --class org.example.Job +mount +avoid @app/job-1.2.jar'
  },
  {
    line: '-v --supervise K app.py -- --files x',
    staged: ['app app.py'],
    becomes: '-v --supervise K +mount @app/app.py -- --files x'
  },
  {
    line: "K --name 'a b' app.py 'x  y'",
    staged: ['app app.py'],
    becomes: "K --name 'a b' +mount @app/app.py 'x  y'"
  },
  // Lists, mixed with what is remote.
  {
    line: 'K --class a.B --jars a.jar,libs/b.jar local:///job.jar',
    staged: ['jars a.jar', 'jars libs/b.jar'],
    becomes: 'K --class a.B --jars @jars/a.jar,@jars/b.jar +mount +avoid local:///job.jar'
  },
  {
    line: 'K --jars=a.jar local:///app.py',
    staged: ['jars a.jar'],
    becomes: 'K --jars=@jars/a.jar +mount +avoid local:///app.py'
  },
  {
    line: 'K --jars https://e.org/x.jar,a.jar,local:///y.jar local:///app.py',
    staged: ['jars a.jar'],
    becomes: 'K --jars https://e.org/x.jar,@jars/a.jar,local:///y.jar +mount +avoid local:///app.py'
  },
  {
    line: 'K --jars libs/*.jar local:///app.py',
    staged: ['jars libs/b.jar', 'jars libs/c.jar'],
    becomes: 'K --jars @jars/b.jar,@jars/c.jar +mount +avoid local:///app.py'
  },
  {
    line: 'K --jars /home/me/libs/*,a.jar local:///app.py',
    staged: ['jars libs/b.jar', 'jars libs/c.jar', 'jars a.jar'],
    becomes: 'K --jars @jars/b.jar,@jars/c.jar,@jars/a.jar +mount +avoid local:///app.py'
  },
  {
    line: 'K --jars a.jar --jars libs/b.jar local:///app.py',
    staged: ['jars libs/b.jar'],
    becomes: 'K --jars a.jar --jars @jars/b.jar +mount +avoid local:///app.py'
  },
  {
    line: 'K --jars a.jar,,libs/b.jar, local:///app.py',
    staged: ['jars a.jar', 'jars libs/b.jar'],
    becomes: 'K --jars @jars/a.jar,,@jars/b.jar, +mount +avoid local:///app.py'
  },
  {
    line: 'K --py-files deps.zip,mod.py,old.egg app.py',
    staged: ['app app.py', 'pyFiles deps.zip', 'pyFiles mod.py', 'pyFiles old.egg'],
    becomes: 'K --py-files @pyFiles/deps.zip,@pyFiles/mod.py,@pyFiles/old.egg +mount @app/app.py'
  },
  {
    line: 'K --files conf.json,/opt/data/ref.csv app.py',
    staged: ['app app.py', 'files conf.json', 'files /opt/data/ref.csv'],
    becomes: 'K --files @files/conf.json,@files/ref.csv +mount @app/app.py'
  },
  {
    line: 'K --files conf.json#settings.json local:///app.py',
    staged: ['files conf.json#settings.json'],
    becomes: 'K --files @files/conf.json#settings.json +mount local:///app.py'
  },
  {
    line: "K --files 'my file.json' local:///app.py",
    staged: ['files my file.json'],
    becomes: 'K --files @files/my%20file.json +mount local:///app.py'
  },
  {
    line: 'K --files file:///home/me/my%20file.json#f local:///app.py',
    staged: ['files my file.json#f'],
    becomes: 'K --files @files/my%20file.json#f +mount local:///app.py'
  },
  {
    line: 'K --files my%20file.json#f local:///app.py',
    staged: ['files my file.json#f'],
    becomes: 'K --files @files/my%20file.json#f +mount local:///app.py'
  },
  {
    line: 'K --files 50%.csv local:///app.py',
    staged: ['files 50%.csv'],
    becomes: 'K --files @files/50%25.csv +mount local:///app.py'
  },
  {
    line: 'K --files été.csv local:///app.py',
    staged: ['files été.csv'],
    becomes: 'K --files @files/%C3%A9t%C3%A9.csv +mount local:///app.py'
  },
  {
    line: 'K --archives file:/home/me/env.tar.gz#environment app.py',
    staged: ['app app.py', 'archives env.tar.gz#environment'],
    becomes: 'K --archives @archives/env.tar.gz#environment +mount @app/app.py'
  },
  {
    line: 'K --archives env.tar.gz#env --conf spark.pyspark.python=./env/bin/python app.py',
    staged: ['app app.py', 'archives env.tar.gz#env'],
    becomes:
      'K --archives @archives/env.tar.gz#env --conf spark.pyspark.python=./env/bin/python +mount @app/app.py'
  },
  {
    line: 'K --files log4j2.properties --conf spark.driver.extraJavaOptions=-Dlog4j2.configurationFile=log4j2.properties --class a.B local:///j.jar',
    staged: ['files log4j2.properties'],
    becomes:
      'K --files @files/log4j2.properties --conf spark.driver.extraJavaOptions=-Dlog4j2.configurationFile=log4j2.properties --class a.B +mount local:///j.jar'
  },
  {
    line: 'K --driver-class-path a.jar --jars a.jar --class a.B local:///j.jar',
    staged: ['jars a.jar'],
    becomes: 'K --driver-class-path a.jar --jars @jars/a.jar --class a.B +mount +avoid local:///j.jar'
  },
  // Properties, from the command line and from files.
  {
    line: 'K -c spark.jars=a.jar local:///app.py',
    staged: ['jars a.jar'],
    becomes: 'K -c spark.jars=@jars/a.jar +mount +avoid local:///app.py'
  },
  {
    line: 'K --conf=spark.jars=a.jar local:///app.py',
    staged: ['jars a.jar'],
    becomes: 'K --conf=spark.jars=@jars/a.jar +mount +avoid local:///app.py'
  },
  {
    line: "K --conf 'spark.jars=a.jar, libs/b.jar' local:///app.py",
    staged: ['jars a.jar', 'jars libs/b.jar'],
    becomes: 'K --conf spark.jars=@jars/a.jar,@jars/b.jar +mount +avoid local:///app.py'
  },
  {
    line: 'K --conf spark.files=conf.json --conf spark.files=mod.py local:///app.py',
    staged: ['files mod.py'],
    becomes: 'K --conf spark.files=conf.json --conf spark.files=@files/mod.py +mount local:///app.py'
  },
  {
    line: 'K --conf spark.submit.pyFiles=deps.zip --conf spark.archives=env.tar.gz#e local:///app.py',
    staged: ['pyFiles deps.zip', 'archives env.tar.gz#e'],
    becomes:
      'K --conf spark.submit.pyFiles=@pyFiles/deps.zip --conf spark.archives=@archives/env.tar.gz#e +mount local:///app.py'
  },
  {
    line: 'K --files conf.json --conf spark.files=mod.py local:///app.py',
    staged: ['files conf.json'],
    becomes: 'K --files @files/conf.json --conf spark.files=mod.py +mount local:///app.py'
  },
  { line: "K --jars '' --conf spark.jars=a.jar local:///app.py", staged: [] },
  {
    line: 'K local:///app.py',
    texts: { '/spark/conf/spark-defaults.conf': 'spark.jars  a.jar\nspark.files  s3a://b/conf.json' },
    staged: ['jars a.jar'],
    becomes: 'K +mount --conf spark.jars=@jars/a.jar +avoid local:///app.py'
  },
  {
    line: 'K --jars libs/b.jar local:///app.py',
    texts: { '/spark/conf/spark-defaults.conf': 'spark.jars a.jar' },
    staged: ['jars libs/b.jar'],
    becomes: 'K --jars @jars/b.jar +mount +avoid local:///app.py'
  },
  {
    line: 'K --properties-file my.conf local:///app.py',
    texts: { '/spark/conf/spark-defaults.conf': 'spark.jars a.jar', 'my.conf': 'spark.files=conf.json' },
    staged: ['files conf.json'],
    becomes: 'K --properties-file my.conf +mount --conf spark.files=@files/conf.json local:///app.py'
  },
  {
    line: 'K --properties-file my.conf --load-spark-defaults local:///app.py',
    texts: { '/spark/conf/spark-defaults.conf': 'spark.jars a.jar', 'my.conf': 'spark.files=conf.json' },
    staged: ['jars a.jar', 'files conf.json'],
    becomes:
      'K --properties-file my.conf --load-spark-defaults +mount --conf spark.jars=@jars/a.jar --conf spark.files=@files/conf.json +avoid local:///app.py'
  },
  {
    line: 'K --extra-properties-file one.conf --extra-properties-file two.conf local:///app.py',
    texts: { 'one.conf': 'spark.files=conf.json', 'two.conf': 'spark.files=mod.py' },
    staged: ['files mod.py'],
    becomes:
      'K --extra-properties-file one.conf --extra-properties-file two.conf +mount --conf spark.files=@files/mod.py local:///app.py'
  },
  // What comes with staged jars and with staged interpreters.
  {
    line: 'K --conf spark.kubernetes.jars.avoidDownloadSchemes=s3a,hdfs --jars a.jar local:///app.py',
    staged: ['jars a.jar'],
    becomes:
      'K --conf spark.kubernetes.jars.avoidDownloadSchemes=s3a,hdfs,viewfs --jars @jars/a.jar +mount local:///app.py'
  },
  {
    line: 'K --conf spark.kubernetes.jars.avoidDownloadSchemes=viewfs --jars a.jar local:///app.py',
    staged: ['jars a.jar'],
    becomes:
      'K --conf spark.kubernetes.jars.avoidDownloadSchemes=viewfs --jars @jars/a.jar +mount local:///app.py'
  },
  {
    line: 'K --jars a.jar local:///app.py',
    texts: { '/spark/conf/spark-defaults.conf': 'spark.kubernetes.jars.avoidDownloadSchemes s3a' },
    staged: ['jars a.jar'],
    becomes:
      'K --jars @jars/a.jar +mount --conf spark.kubernetes.jars.avoidDownloadSchemes=s3a,viewfs local:///app.py'
  },
  {
    line: 'K --files tool --conf spark.pyspark.python=./tool local:///app.py',
    staged: ['files tool'],
    becomes:
      'K --files @files/tool --conf spark.pyspark.python=./tool +mount --conf spark.pyspark.driver.python=/var/spark-stage/files/tool local:///app.py'
  },
  {
    line: 'K --files tool#py --conf spark.pyspark.driver.python=./py local:///app.py',
    staged: ['files tool#py'],
    becomes:
      'K --files @files/tool#py --conf spark.pyspark.driver.python=/var/spark-stage/files/tool +mount local:///app.py'
  },
  {
    line: 'K --files tool --conf spark.kubernetes.driverEnv.PYSPARK_DRIVER_PYTHON=python3 local:///app.py',
    environment: { PYSPARK_PYTHON: './tool' },
    staged: ['files tool'],
    becomes:
      'K --files @files/tool --conf spark.kubernetes.driverEnv.PYSPARK_DRIVER_PYTHON=python3 +mount local:///app.py'
  },
  {
    line: 'K --files tool --conf spark.kubernetes.driverEnv.PYSPARK_PYTHON=./tool local:///app.py',
    environment: { PYSPARK_PYTHON: 'python3' },
    staged: ['files tool'],
    becomes:
      'K --files @files/tool --conf spark.kubernetes.driverEnv.PYSPARK_PYTHON=./tool +mount --conf spark.pyspark.driver.python=/var/spark-stage/files/tool local:///app.py'
  },
  {
    line: 'K --files tool local:///app.py',
    environment: { PYSPARK_PYTHON: './tool' },
    staged: ['files tool'],
    becomes:
      'K --files @files/tool +mount --conf spark.pyspark.driver.python=/var/spark-stage/files/tool local:///app.py'
  },
  {
    line: 'K --files tool local:///app.py',
    environment: { PYSPARK_PYTHON: './tool', PYSPARK_DRIVER_PYTHON: 'python3' },
    staged: ['files tool'],
    becomes: 'K --files @files/tool +mount local:///app.py'
  },
  {
    line: 'K --files tool --conf spark.pyspark.python=./other local:///app.py',
    environment: { PYSPARK_PYTHON: './tool' },
    staged: ['files tool'],
    becomes: 'K --files @files/tool --conf spark.pyspark.python=./other +mount local:///app.py'
  },
  // Odd corners.
  {
    line: 'K --new-in-a-later-spark=7 --files conf.json local:///app.py',
    staged: ['files conf.json'],
    becomes: 'K --new-in-a-later-spark=7 --files @files/conf.json +mount local:///app.py'
  },
  {
    line: 'K --verbose=yes --files conf.json local:///app.py',
    staged: ['files conf.json'],
    becomes: 'K --verbose=yes --files @files/conf.json +mount local:///app.py'
  },
  {
    line: '--master k8s://https://k:6443 --class org.apache.spark.repl.Main -i init.scala --jars a.jar --name x',
    staged: ['jars a.jar'],
    becomes:
      '--master k8s://https://k:6443 --class org.apache.spark.repl.Main -i init.scala --jars @jars/a.jar --name x +mount +avoid'
  },
  {
    line: 'K --class org.apache.spark.sql.connect.service.SparkConnectServer spark-internal --jars a.jar',
    staged: ['jars a.jar'],
    becomes:
      'K --class org.apache.spark.sql.connect.service.SparkConnectServer spark-internal --jars @jars/a.jar +mount +avoid'
  },
  {
    line: 'K --files FILE:/home/me/conf.json local:///app.py',
    staged: ['files conf.json'],
    becomes: 'K --files @files/conf.json +mount local:///app.py'
  },
  { line: 'K --conf spark.jars.packages=a:b:1 --conf SPARK.JARS=a.jar local:///app.py', staged: [] }
]
