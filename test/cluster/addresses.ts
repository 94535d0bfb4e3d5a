/** The cluster's addresses. They exist in its network namespace only, so every cluster has the same. */
export const nodeAddress = '10.88.0.1'
export const podRange = '10.88.0.0/16'
export const serviceRange = '10.96.0.0/16'
export const apiServiceAddress = '10.96.0.1'
export const apiServer = 'https://127.0.0.1:6443'
export const nodeName = 'node1'
export const clusterDomain = 'cluster.local'
