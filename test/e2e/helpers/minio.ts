import { randomBytes } from 'node:crypto'
import type { Cluster } from '../../cluster/cluster.ts'
import { minioImage } from '../../cluster/images.ts'
import { applyManifest, freshNamespace } from './kubernetes.ts'
import { makeVolume, volumeHas } from './volume.ts'

/** A folder of a bucket in the cluster, which was empty, and what opens it. */
export interface BucketFolder {
  /** What a server's ConfigMap says of it. */
  readonly config: Readonly<Record<string, string>>
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Whether there is anything below a folder of this one. */
  has(folder: string): Promise<boolean>
}

const namespace = 'stage-minio'
const bucket = 'stage'
const claim = 'minio'
const port = 9000
const labels = { app: 'minio' }
const accessKeyId = 'minio-of-the-e2e-suite'

/** Makes a folder in the bucket of the cluster's MinIO, which is started when there is none. */
export async function makeBucketFolder(cluster: Cluster): Promise<BucketFolder> {
  const prefix = randomBytes(6).toString('hex')
  return {
    // MinIO keeps what has one prefix in one folder.
    has: folder => volumeHas(namespace, bucket, prefix, folder),
    config: {
      SPARK_STAGE_STORE: `s3://${bucket}/${prefix}`,
      SPARK_STAGE_S3_ENDPOINT: `http://minio.${namespace}.svc:${port}`,
      SPARK_STAGE_S3_REGION: 'us-east-1',
      SPARK_STAGE_S3_FORCE_PATH_STYLE: 'true'
    },
    accessKeyId,
    secretAccessKey: await passwordOfMinio(cluster)
  }
}

async function passwordOfMinio(cluster: Cluster): Promise<string> {
  const known = await cluster
    .kubectl('get', 'secret', 'minio', '--namespace', namespace, '--output', 'jsonpath={.data.password}')
    .catch(() => '')
  if (known !== '') return Buffer.from(known, 'base64').toString()
  const password = randomBytes(20).toString('hex')
  await freshNamespace(cluster, namespace)
  await makeVolume(cluster, namespace, claim)
  await applyManifest(cluster, minioClaim)
  await applyManifest(cluster, minioService)
  await applyManifest(cluster, minioDeployment)
  const status = ['rollout', 'status', 'deployment/minio', '--timeout=110s']
  const login = ['create', 'secret', 'generic', 'minio', `--from-literal=password=${password}`]
  await cluster.kubectl(...login, '--namespace', namespace)
  await cluster.kubectl(...status, '--namespace', namespace)
  return password
}

const minioClaim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: claim, namespace },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '50Gi' } } }
}

const minioService = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'minio', namespace },
  spec: { selector: labels, ports: [{ port }] }
}

const minioDeployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'minio', namespace },
  spec: {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 65_532,
          fsGroup: 65_532,
          seccompProfile: { type: 'RuntimeDefault' }
        },
        containers: [
          {
            name: 'minio',
            image: minioImage,
            env: [
              { name: 'BUCKET', value: bucket },
              { name: 'MINIO_ROOT_USER', value: accessKeyId },
              {
                name: 'MINIO_ROOT_PASSWORD',
                valueFrom: { secretKeyRef: { name: 'minio', key: 'password' } }
              }
            ],
            ports: [{ containerPort: port }],
            readinessProbe: { httpGet: { path: '/minio/health/ready', port }, periodSeconds: 1 },
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
            volumeMounts: [{ name: 'disk', mountPath: '/data' }]
          }
        ],
        volumes: [{ name: 'disk', persistentVolumeClaim: { claimName: claim } }]
      }
    }
  }
}
