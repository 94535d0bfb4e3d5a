import Type from 'typebox'
import { contractTable } from '../plugins/contract.ts'

const Bytes = Type.String({ format: 'binary' })

/** What the fork's door promises. */
export const contracts = contractTable({
  ping: {
    operationId: 'ping',
    summary: 'Whether the door is open.',
    tag: 'fork',
    refusals: [],
    answers: { 200: { description: 'It is.', content: { 'text/plain': Type.Literal('pong') } } }
  },
  upload: {
    operationId: 'uploadResources',
    summary: 'Stage one archive for its owner, who is named in the form.',
    tag: 'fork',
    action: 'stage',
    refusals: [
      'STAGE_ERR_BAD_NAMESPACE',
      'STAGE_ERR_BAD_KIND',
      'STAGE_ERR_TOO_LARGE',
      'STAGE_ERR_TOO_MANY_ENTRIES',
      'STAGE_ERR_MEDIA_TYPE',
      'STAGE_ERR_GONE',
      'STAGE_ERR_STOPPING',
      'STAGE_ERR_QUOTA',
      'STAGE_ERR_NO_SPACE',
      'STAGE_ERR_STORE_UNAVAILABLE'
    ],
    body: {
      'multipart/form-data': Type.Object({
        resources: Type.String({ format: 'binary', description: 'The archive.' }),
        resourcesOwner: Type.Object(
          {
            ownerNamespace: Type.String({ pattern: '^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$' }),
            ownerLabels: Type.Optional(Type.Record(Type.String(), Type.String())),
            ownerType: Type.Optional(Type.Literal('Pod'))
          },
          { additionalProperties: false }
        )
      })
    },
    answers: { 200: { description: 'The id and the secret of what was staged.' } }
  },
  download: {
    operationId: 'downloadResources',
    summary: 'The archive that was staged, whole.',
    tag: 'fork',
    credential: 'resourceSecret',
    action: 'download',
    refusals: ['STAGE_ERR_TOKEN', 'STAGE_ERR_NOT_FOUND', 'STAGE_ERR_GONE', 'STAGE_ERR_STORE_UNAVAILABLE'],
    parameters: Type.Object({
      id: Type.String({ format: 'uuid', description: 'Id of the bundle, written as a UUID.' })
    }),
    answers: { 200: { description: 'Its bytes.', content: { 'application/octet-stream': Bytes } } }
  }
})
