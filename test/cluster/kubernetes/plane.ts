/** A real API server on etcd, with RBAC: on loopback without kubelet and controllers, unless a cluster is given. */
export interface ControlPlane extends AsyncDisposable {
  /** As `https://127.0.0.1:6443`. */
  server: string;
  /** PEM of the certificate authority. */
  ca: string;
  /** Of a member of `system:masters`. */
  adminToken: string;
  /** A kubeconfig file for `adminToken`, or for another token; by another way to the server, if one is given. */
  kubeconfig(token?: string, way?: string): Promise<string>;
  /** A folder that is removed in the end. */
  dir: string;
  /** Ends the API server as a crash does; `startApiServer` brings it back at the same address, with the same data. */
  killApiServer(): Promise<void>;
  startApiServer(): Promise<void>;
}

export interface OwnControlPlane extends ControlPlane {
  /** Forgets every version of every object but the newest, as etcd is made to do every five minutes. */
  compact(): Promise<void>;
}
