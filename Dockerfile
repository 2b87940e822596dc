# One image for all programs: docker run <image> router/main.ts
# docs/install.md says how it is built; every FROM can be replaced, for clusters without a way to public registries.
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim
ARG BUILDKIT_IMAGE=docker.io/moby/buildkit:v0.33.1-rootless
# What the programs run on: the stage below, or an image that has node, git, ssh and certificates already.
ARG RUNTIME_IMAGE=runtime

FROM ${BUILDKIT_IMAGE} AS buildkit

FROM ${NODE_IMAGE} AS runtime
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates git openssh-client \
  && rm -rf /var/lib/apt/lists/*

FROM ${NODE_IMAGE} AS package
WORKDIR /app
COPY package.json package-lock.json ./

# A registry of one's own: --secret id=npmrc,src=<file>. It is in no layer.
FROM package AS dependencies
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=cache,target=/root/.npm \
  npm ci --omit=dev --ignore-scripts --no-audit --no-fund

# The dashboard's own libraries go into what is built, and are needed by nothing that runs.
FROM package AS dashboard
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=cache,target=/root/.npm \
  npm ci --ignore-scripts --no-audit --no-fund
COPY core core
COPY ui/web ui/web
RUN node node_modules/vite/bin/vite.js build ui/web

# Without its types a program needs no stripper, which takes time at each start and some 35 MB for good.
FROM package AS programs
COPY core core
COPY runtime runtime
COPY auth auth
COPY builder builder
COPY manifest-writer manifest-writer
COPY router router
COPY ui/server ui/server
RUN node --disable-warning=ExperimentalWarning runtime/image/strip-types.ts \
  core runtime auth builder manifest-writer router ui/server

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Towline" \
  org.opencontainers.image.description="Push source, get a running function at a URL" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production HOME=/tmp
WORKDIR /app
COPY --from=buildkit /usr/bin/buildctl /usr/local/bin/buildctl
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY --from=programs /app/core core
COPY --from=programs /app/runtime runtime
COPY --from=programs /app/auth auth
COPY --from=programs /app/builder builder
COPY --from=programs /app/manifest-writer manifest-writer
COPY --from=programs /app/router router
COPY --from=programs /app/ui/server ui/server
COPY templates templates
COPY gitops-repo-template gitops-repo-template
COPY --from=dashboard /app/ui/web/dist ui/web/dist
# ssh runs for nobody that has no name.
RUN echo 'towline:x:10001:10001:Towline:/tmp:/bin/false' >> /etc/passwd \
  && echo 'towline:x:10001:' >> /etc/group
# By number, so that a cluster can see that it is not root.
USER 10001:10001
ENTRYPOINT ["node", "--import", "/app/runtime/image/plain-sources.mjs"]
