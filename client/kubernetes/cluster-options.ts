/** Which API server, and who asks it, as spark-submit would have it. */
export interface ClusterOptions {
  /** In place of the kubeconfig's. */
  readonly apiServer?: string | undefined
  /** In place of the kubeconfig's current one. */
  readonly context?: string | undefined
  /** `spark.kubernetes.authenticate.submission.*`, in place of the kubeconfig's. */
  readonly submission?: {
    readonly caCertFile?: string | undefined
    readonly clientCertFile?: string | undefined
    readonly clientKeyFile?: string | undefined
    readonly oauthTokenFile?: string | undefined
    /** A secret. */
    readonly oauthToken?: string | undefined
  }
  /** Where `HTTPS_PROXY` and `NO_PROXY` are; a proxy of the kubeconfig wins. */
  readonly environment?: NodeJS.ProcessEnv | undefined
}
