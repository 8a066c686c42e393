# One image for migrate, app and worker. Built from the hash-locked requirements; runs as an ordinary user.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements.txt ./
RUN python -m venv /opt/backstock && /opt/backstock/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY marketplace marketplace
COPY web web
RUN /opt/backstock/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/backstock backstock
COPY --from=build /opt/backstock /opt/backstock
WORKDIR /src
COPY --from=build /src /src
COPY migrations migrations
COPY contracts contracts
ENV PATH=/opt/backstock/bin:$PATH PYTHONUNBUFFERED=1 BACKSTOCK_HOST=0.0.0.0 BACKSTOCK_DATA_DIR=/var/lib/backstock
USER backstock
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["backstock", "serve"]
