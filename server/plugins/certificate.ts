import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Server } from 'node:tls'
import type { FastifyBaseLogger } from 'fastify'
import { secondMs } from '../../shared/units.ts'
import type { Clock } from '../staging/clock.ts'

/** How often the files are read again. */
const lookEveryMs = 2 * secondMs

/** Where a certificate with its chain is, and where its key: PEM files. */
export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
}

/** What a TLS server is made with. */
export interface TlsOptions {
  readonly cert: string
  readonly key: string
  readonly minVersion: 'TLSv1.2'
}

/**
 * The server's certificate and its key. Replaced on disk, by a file or by the swap of a link as in a mounted Secret, the
 * new pair serves new connections within seconds. A pair that cannot be used changes nothing.
 */
export class Certificate {
  readonly #files: CertificateFiles
  #served: TlsOptions
  /** What was wrong at the last look, so that it is told once. */
  #trouble = ''

  private constructor(files: CertificateFiles, served: TlsOptions) {
    this.#files = files
    this.#served = served
  }

  /** @throws Error that names the file and what is wrong with it */
  static async open(files: CertificateFiles): Promise<Certificate> {
    return new Certificate(files, await readPair(files))
  }

  /** The pair that was read last and is good. */
  get options(): TlsOptions {
    return this.#served
  }

  /** Looks at the files every two seconds. @returns what ends it */
  watch(server: Pick<Server, 'setSecureContext'>, every: Clock['every'], log: FastifyBaseLogger): () => void {
    return every(lookEveryMs, () => void this.look(server, log))
  }

  /** Lets `server` use what the files hold now, if that is new and good. */
  async look(server: Pick<Server, 'setSecureContext'>, log: FastifyBaseLogger): Promise<void> {
    try {
      const found = await readPair(this.#files)
      this.#trouble = ''
      if (found.cert === this.#served.cert && found.key === this.#served.key) return
      server.setSecureContext(found)
      this.#served = found
      log.info('certificate replaced')
    } catch (error) {
      const trouble = String(error)
      if (trouble !== this.#trouble)
        log.error({ err: error }, 'certificate cannot be used, the old one stays')
      this.#trouble = trouble
    }
  }
}

async function readPair({ certFile, keyFile }: CertificateFiles): Promise<TlsOptions> {
  const cert = await read(certFile, 'certificate')
  const key = await read(keyFile, 'key of the certificate')
  const certificate = parse(certFile, 'a certificate in PEM', () => new X509Certificate(cert))
  const privateKey = parse(keyFile, 'a private key in PEM, without a passphrase', () => createPrivateKey(key))
  if (!certificate.checkPrivateKey(privateKey)) {
    // The number tells one replacement from the next.
    throw new Error(`${keyFile} is not the key of certificate ${certificate.serialNumber} in ${certFile}`)
  }
  return { cert, key, minVersion: 'TLSv1.2' }
}

async function read(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    // A boundary: nothing but Errors comes from the disk.
    throw new Error(`the ${what} cannot be read: ${(cause as Error).message}`, { cause })
  }
}

function parse<T>(file: string, expected: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new Error(`${file}: expected ${expected}`, { cause })
  }
}
