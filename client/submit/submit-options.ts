/** An option of spark-submit that takes a value. */
export interface SubmitOption {
  /** The official spelling first, then its aliases. */
  readonly names: readonly [`--${string}`, ...string[]]
  /** The property that is asked when the option is absent. */
  readonly property?: `spark.${string}`
}

/**
 * The options of spark-submit 3.5 to 4.3 that take a value. Two are in no help text:
 * `--driver-default-class-path` (4.x) and `--extra-properties-file` (4.3, may be given many times).
 *
 * @see https://github.com/apache/spark/blob/master/launcher/src/main/java/org/apache/spark/launcher/SparkSubmitOptionParser.java
 */
export const submitOptions: readonly SubmitOption[] = [
  { names: ['--archives'], property: 'spark.archives' },
  { names: ['--class'] },
  { names: ['--conf', '-c'] },
  { names: ['--deploy-mode'], property: 'spark.submit.deployMode' },
  { names: ['--driver-class-path'], property: 'spark.driver.extraClassPath' },
  { names: ['--driver-cores'], property: 'spark.driver.cores' },
  { names: ['--driver-default-class-path'] },
  { names: ['--driver-java-options'], property: 'spark.driver.extraJavaOptions' },
  { names: ['--driver-library-path'], property: 'spark.driver.extraLibraryPath' },
  { names: ['--driver-memory'], property: 'spark.driver.memory' },
  { names: ['--exclude-packages'], property: 'spark.jars.excludes' },
  { names: ['--executor-cores'], property: 'spark.executor.cores' },
  { names: ['--executor-memory'], property: 'spark.executor.memory' },
  { names: ['--extra-properties-file'] },
  { names: ['--files'], property: 'spark.files' },
  { names: ['--jars'], property: 'spark.jars' },
  { names: ['--keytab'], property: 'spark.kerberos.keytab' },
  { names: ['--kill'] },
  { names: ['--master'], property: 'spark.master' },
  { names: ['--name'], property: 'spark.app.name' },
  { names: ['--num-executors'], property: 'spark.executor.instances' },
  { names: ['--packages'], property: 'spark.jars.packages' },
  { names: ['--principal'], property: 'spark.kerberos.principal' },
  { names: ['--properties-file'] },
  { names: ['--proxy-user'] },
  { names: ['--py-files'], property: 'spark.submit.pyFiles' },
  { names: ['--queue'], property: 'spark.yarn.queue' },
  { names: ['--remote'], property: 'spark.remote' },
  { names: ['--repositories'], property: 'spark.jars.repositories' },
  { names: ['--status'] },
  { names: ['--total-executor-cores'], property: 'spark.cores.max' }
]

/** The options without a value. `--load-spark-defaults` exists from Spark 4.0 on, `--usage-error` is in no help text. */
export const submitSwitches: readonly SubmitOption[] = [
  { names: ['--help', '-h'] },
  { names: ['--load-spark-defaults'] },
  { names: ['--supervise'] },
  { names: ['--usage-error'] },
  { names: ['--verbose', '-v'] },
  { names: ['--version'] }
]
