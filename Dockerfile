# The app without the training framework. docs/deploy.md says how to run it; compose.yaml adds the relay and HTTPS.
FROM python:3.13-slim-bookworm

WORKDIR /app

# Before the code, so that a change of the code installs nothing anew. Wheels only: the image has no compiler.
COPY requirements-serving.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --only-binary=:all: -r requirements-serving.txt

COPY LICENSE app.py ./
COPY .streamlit/config.toml .streamlit/
COPY pages/ pages/
COPY ui/ ui/
COPY facetraits/ facetraits/
COPY models/ models/

# The visitors' log, where FACETRAITS_DB names it, is all that is ever written; a volume takes this folder's owner.
RUN install -d -o 10001 -m 700 /data

# A number, because some platforms want to see that it is not root's.
USER 10001

EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]

CMD ["python", "-m", "streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501"]
