/** A right that someone does not have, in words for them. */
export interface MissingRight {
  readonly expected: string
  readonly found: string
}

/** Someone who may upload, as far as their credential says. */
export interface Principal {
  readonly name: string
  /**
   * What they lack in order to upload into a namespace; undefined when they may.
   *
   * @throws StagingError `STAGE_ERR_IDENTITY` when that cannot be checked
   */
  missingRight(namespace: string): Promise<MissingRight | undefined>
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
