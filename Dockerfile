# The service, for a CPU (the last target, hence the default) or a GPU: docker build [--target cuda] .
# docs/guides/deploy.md describes how to run it; `make container-test` builds, runs and tests it.

# A Debian with Python 3.11 or newer. Both are arguments, because a private registry has them under other names.
ARG BASE=python:3.11-slim-bookworm
ARG ENVOY=envoyproxy/envoy:v1.40.0

FROM ${ENVOY} AS envoy

# This stage installs the environment, with pip and without a compiler: every dependency comes as a wheel.
FROM ${BASE} AS build
# A private package index is an argument by pip's own name, or a secret, which no layer keeps:
# docker build --secret id=pip.conf,src=$HOME/.config/pip/pip.conf .
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
# Debian's own Python comes without pip.
RUN python3 -m pip --version \
    || { apt-get update && apt-get install --yes --no-install-recommends python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*; }
# Without pip inside: the environment that the image copies only serves.
RUN python3 -m venv --without-pip /opt/shopcat
ENV PIP_PYTHON=/opt/shopcat/bin/python PIP_CONSTRAINT=/src/constraints.txt PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all:
WORKDIR /src
COPY constraints.txt pyproject.toml deploy/container/requirements.py ./
# Extras of pyproject.toml: --build-arg EXTRAS=postgres,bulk,s3 for jobs over files, ray,s3 for a Ray cluster.
ARG EXTRAS=postgres
# The project's dependencies, before its code, so that a change of code installs none of them again.
RUN python3 requirements.py pyproject.toml "$EXTRAS" > requirements.txt
# TorchServe requires wheel, which only builds.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m pip install -r requirements.txt && python3 -m pip uninstall --yes wheel
# TorchServe's front end unpacks a native library into /tmp and loads it, which Docker's noexec /tmp does not allow.
# Without the library it has no Unix sockets, on which its management and its workers depend, and does not start.
RUN cd /opt/shopcat/lib/python3.*/site-packages \
    && python3 -m zipfile -e ts/frontend/model-server.jar /jar && mkdir /opt/shopcat/lib/native \
    && cp /jar/META-INF/native/*transport_native_epoll*.so /opt/shopcat/lib/native && rm -r /jar

FROM build AS wheel
COPY . .
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf python3 -m pip wheel --no-deps --wheel-dir /wheel .

FROM build AS build-cpu
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf python3 -m pip install onnxruntime
COPY --from=wheel /wheel /wheel
RUN python3 -m pip install --no-deps /wheel/*.whl

# CUDA and cuDNN come as wheels, so the base stays the same; the driver is the host's.
FROM build AS build-cuda
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf python3 -m pip install 'onnxruntime-gpu[cuda,cudnn]' onnx
COPY --from=wheel /wheel /wheel
RUN python3 -m pip install --no-deps /wheel/*.whl

FROM ${BASE} AS service
# tini is process 1. It passes SIGTERM on at any moment: the kernel withholds a signal from process 1 that has no handler
# for it, and Python has none until the server starts. tini also reaps the children of killed workers and front ends.
RUN apt-get update && apt-get install --yes --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
# A numeric user, so that Kubernetes can verify that it is not root; fixed, so that mounted files can be owned by it.
RUN groupadd --gid 10001 shopcat && useradd --uid 10001 --gid shopcat --no-create-home --home-dir /tmp shopcat
# The gateway runs in this container, not in a second one, because `shopcat serve` reconfigures it when it replaces a
# TorchServe, and stops it before the TorchServes.
COPY --from=envoy /usr/local/bin/envoy /usr/local/bin/envoy
COPY model_store/pets /srv/shopcat/model_store/pets
WORKDIR /srv/shopcat
# The console's data, if there is a console: a volume, so that it outlives the container.
RUN install --directory --owner 10001 --group 10001 --mode 700 /var/lib/shopcat
VOLUME /var/lib/shopcat
# Everything else is written below /tmp, so that the rest can be read-only.
ENV PATH=/opt/shopcat/bin:$PATH HOME=/tmp LD_LIBRARY_PATH=/opt/shopcat/lib/native \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Options of `shopcat serve`. The container listens on all its addresses; the published ports decide who reaches them.
ENV SHOPCAT_SERVE_HOST=0.0.0.0 SHOPCAT_SERVE_METRICS_HOST=0.0.0.0 SHOPCAT_SERVE_MODEL_STORE=/tmp/archives \
    SHOPCAT_SERVE_DATA=/var/lib/shopcat
USER 10001:10001
EXPOSE 8080 8082
# A container that is not ready 60 s after its start, or later in three probes in a row, is unhealthy.
HEALTHCHECK --start-period=60s --interval=10s --timeout=5s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8082/readyz', timeout=4)"]
ENTRYPOINT ["tini", "--", "shopcat"]
# The folder of a user's bundles is mounted, not one bundle: so a reload sees a bundle that replaces another.
CMD ["serve", "/bundles/sales", "model_store/pets"]

FROM service AS cuda
# The NVIDIA container toolkit adds the driver and nvidia-smi, with which TorchServe counts GPUs.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-cuda /opt/shopcat /opt/shopcat

FROM service AS cpu
COPY --from=build-cpu /opt/shopcat /opt/shopcat
