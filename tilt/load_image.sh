#!/bin/sh
# Builds the image as $EXPECTED_REF and brings it into the cluster of a context: sh tilt/load_image.sh CONTEXT
# For clusters to which Tilt itself brings none: k3d without a registry, and devkube, where there is no Docker daemon either.
# Run by tilt/Tiltfile in the root of the checkout. RAINTREE_KUBE: devkube's program (default kube).
set -eu
context=$1
: "${EXPECTED_REF:?is set by Tilt: the name that the image is to have}"

case $context in
k3d-*)
  docker build --file k8s/image/Dockerfile --tag "$EXPECTED_REF" .
  if [ -n "${EXPECTED_REGISTRY:-}" ]; then
    docker push "$EXPECTED_REF"
  else
    k3d image import --cluster "${context#k3d-}" "$EXPECTED_REF"
  fi
  ;;
devkube)
  kube=${RAINTREE_KUBE:-kube}
  base=localhost/deno:2.9.6
  buildah inspect --type image "$base" >/dev/null 2>&1 || "$kube" base "$base"
  # In a folder of our own: the file must not be there yet, and nobody else may put one there.
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  archive=$folder/image.tar
  # The machine's certificates: behind a proxy with one of its own, packages come no other way.
  buildah build --isolation chroot --layers --build-arg BASE="$base" --volume /etc/ssl/certs:/etc/ssl/certs:ro \
    --file k8s/image/Dockerfile --tag "${EXPECTED_REF%:*}:tilt" .
  buildah push --quiet "${EXPECTED_REF%:*}:tilt" "docker-archive:$archive:$EXPECTED_REF"
  "$kube" load "$archive"
  ;;
*)
  echo "load_image.sh: there is no way to load an image into context $context" >&2
  exit 1
  ;;
esac
