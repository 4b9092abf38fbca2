# The service, for a CPU (the last target, and so the default) or a GPU: docker build [--target cuda] .
# docs/guides/deploy.md says how it is run; deploy/try_container.sh builds it, runs it and asks it.

# A Debian with Python 3.11 or newer. An argument: a registry of one's own has it under another name.
ARG BASE=python:3.11-slim-bookworm
ARG ENVOY=envoyproxy/envoy:v1.40.0

FROM ${ENVOY} AS envoy

# Where the environment is made, with pip and without a compiler: everything comes as wheels.
FROM ${BASE} AS build
# A package index of one's own is named as pip knows it, or in a file that no layer keeps:
# docker build --secret id=pip.conf,src=$HOME/.config/pip/pip.conf .
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
# Debian's own Python comes without pip.
RUN python3 -m pip --version \
    || { apt-get update && apt-get install --yes --no-install-recommends python3-pip python3-venv; }
# Without pip inside: what is copied from here serves, and installs nothing.
RUN python3 -m venv --without-pip /opt/shopcat
ENV PIP_PYTHON=/opt/shopcat/bin/python PIP_CONSTRAINT=/src/constraints.txt PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all:
WORKDIR /src
COPY constraints.txt deploy/container/requirements.txt ./
# TorchServe asks for wheel, which serves nothing.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m pip install -r requirements.txt && python3 -m pip uninstall --yes wheel
# TorchServe's front end unpacks a library into /tmp and runs it from there, which Docker's /tmp does not allow. Without it
# there are no Unix sockets, by which it is managed and speaks with its workers, and it does not start.
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
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf python3 -m pip install 'onnxruntime-gpu[cuda,cudnn]'
COPY --from=wheel /wheel /wheel
RUN python3 -m pip install --no-deps /wheel/*.whl

FROM ${BASE} AS service
# tini is process 1: it hands SIGTERM on at any moment (the kernel keeps from process 1 what it has no handler for, and
# Python has none until the server starts) and collects the processes that a killed worker or front end leaves behind.
RUN apt-get update && apt-get install --yes --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
# A number, so that Kubernetes can see that it is not root; fixed, so that files can be given to it.
RUN groupadd --gid 10001 shopcat && useradd --uid 10001 --gid shopcat --no-create-home --home-dir /tmp shopcat
# The front door. Not a container apart: `shopcat serve` has to tell it when to let go of a TorchServe and where a new
# one is, and to stop it before what is behind it.
COPY --from=envoy /usr/local/bin/envoy /usr/local/bin/envoy
COPY model_store/pets /srv/shopcat/model_store/pets
WORKDIR /srv/shopcat
# All that is written goes below /tmp, so that the rest can be read-only.
ENV PATH=/opt/shopcat/bin:$PATH HOME=/tmp LD_LIBRARY_PATH=/opt/shopcat/lib/native \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Options of `shopcat serve`. A container's loopback is nobody else's: who may come in is said by what is published.
ENV SHOPCAT_SERVE_HOST=0.0.0.0 SHOPCAT_SERVE_METRICS_HOST=0.0.0.0 SHOPCAT_SERVE_MODEL_STORE=/tmp/archives
USER 10001:10001
EXPOSE 8080 8082
# Not ready for this long at the start, and then within three probes, is a container to replace.
HEALTHCHECK --start-period=60s --interval=10s --timeout=5s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8082/readyz', timeout=4)"]
ENTRYPOINT ["tini", "--", "shopcat"]
# A user's bundles are mounted as a folder of them: a reload sees what takes the place of one.
CMD ["serve", "/bundles/sales", "model_store/pets"]

FROM service AS cuda
# What the NVIDIA container toolkit hands in: the driver, and nvidia-smi, by which TorchServe counts GPUs.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-cuda /opt/shopcat /opt/shopcat

FROM service AS cpu
COPY --from=build-cpu /opt/shopcat /opt/shopcat
