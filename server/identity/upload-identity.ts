/** Someone who may upload, as far as their credential says. */
export interface Principal {
  readonly name: string
  mayUse(namespace: string): boolean
}

/** Tells who uploads. */
export interface UploadIdentity {
  /** For logs. */
  readonly name: string
  /**
   * @param credential what stood after `Bearer`, if anything
   * @throws StagingError `STAGE_ERR_CREDENTIAL` when it proves nothing; `STAGE_ERR_IDENTITY` when that cannot be checked
   */
  identify(credential: string | undefined): Promise<Principal>
}
