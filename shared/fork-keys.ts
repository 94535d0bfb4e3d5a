/** The keys of the apache-spark-on-k8s fork's properties file (`config.scala` of its 0.5.0) that its init image reads. */
export const forkKeys = {
  server: 'spark.kubernetes.resourceStagingServer.uri',
  jarsId: 'spark.kubernetes.initcontainer.downloadJarsResourceIdentifier',
  jarsSecretFile: 'spark.kubernetes.initcontainer.downloadJarsSecretLocation',
  filesId: 'spark.kubernetes.initcontainer.downloadFilesResourceIdentifier',
  filesSecretFile: 'spark.kubernetes.initcontainer.downloadFilesSecretLocation',
  remoteJars: 'spark.kubernetes.initcontainer.remoteJars',
  remoteFiles: 'spark.kubernetes.initcontainer.remoteFiles',
  jarsFolder: 'spark.kubernetes.mountdependencies.jarsDownloadDir',
  filesFolder: 'spark.kubernetes.mountdependencies.filesDownloadDir',
  timeout: 'spark.kubernetes.mountdependencies.timeout',
  tlsEnabled: 'spark.ssl.kubernetes.resourceStagingServer.enabled',
  caFile: 'spark.ssl.kubernetes.resourceStagingServer.clientCertPem',
  trustStore: 'spark.ssl.kubernetes.resourceStagingServer.trustStore'
} as const

/** What the fork takes where its file does not say. */
export const forkDefaults = {
  jarsSecretFile: '/mnt/secrets/spark-init/downloadSubmittedJarsSecret',
  filesSecretFile: '/mnt/secrets/spark-init/downloadSubmittedFilesSecret',
  jarsFolder: '/var/spark-data/spark-jars',
  filesFolder: '/var/spark-data/spark-files',
  timeout: '5m',
  tlsEnabled: 'false'
} as const
