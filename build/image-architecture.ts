/**
 * What images call an architecture, as in `TARGETARCH` and `--platform linux/arm64`.
 *
 * @param architecture what Node calls it
 * @see https://github.com/opencontainers/image-spec/blob/main/config.md (property `architecture`: Go's names)
 */
export function imageArchitecture(architecture: string): string {
  return architecture === 'x64' ? 'amd64' : architecture
}
