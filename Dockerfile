# The server in a container: stateless, so run as many as you like over one PostgreSQL and one S3-compatible store.
#     docker build -t panaversity-fs .
#     docker run -e DATABASE_URL=… -e PANAVERSITY_STORAGE_BACKEND=s3 … -p 8000:8000 panaversity-fs
# Off loopback the server asks for tokens (PANAVERSITY_AUTH_*); compose.yaml shows a whole set.

FROM python:3.12-slim-bookworm AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements/build.txt requirements/cloud.txt requirements/
RUN python -m venv /opt/panaversity \
 && /opt/panaversity/bin/pip install --require-hashes -r requirements/build.txt -r requirements/cloud.txt
COPY pyproject.toml README.md CHANGELOG.md ./
COPY server server
COPY builder builder
RUN /opt/panaversity/bin/pip install --no-deps --no-build-isolation .

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin panaversity \
 && install -d -o panaversity -g panaversity /keys /jwks /scrape /spool
COPY --from=build /opt/panaversity /opt/panaversity
ENV PATH=/opt/panaversity/bin:$PATH PYTHONDONTWRITEBYTECODE=1 \
    PANAVERSITY_SERVER_HOST=0.0.0.0 PANAVERSITY_SERVER_PORT=8000
USER 10001
WORKDIR /tmp
EXPOSE 8000
# 200 while database, storage and migrations are in order and nobody told the process to stop.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# The process drains for up to 9 s when it is told to stop: give it more (docker stop -t 20).
STOPSIGNAL SIGTERM
ENTRYPOINT ["panaversity-fs"]
CMD ["serve", "--log-format", "json"]
