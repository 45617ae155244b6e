# One image for the API and the worker; what differs is the command.
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 10001 assay
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY agent agent
COPY reports reports
COPY services services
COPY sql_guard sql_guard
RUN pip install --no-cache-dir --no-deps --no-build-isolation .
USER assay
ENV ASSAY_HOME=/data/home ASSAY_OUTPUT=/data/reports
CMD ["assay", "serve", "--host", "0.0.0.0"]
