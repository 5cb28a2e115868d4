#!/usr/bin/env bash
# Set up what the head of a cluster runs beside Ray, on Ubuntu; a second time changes nothing.
#
# PostgreSQL listens on a Unix socket alone, and takes this user without a password. MLflow listens on loopback, behind a
# password that is made here and never leaves this machine: ~/.mlflow/credentials holds it for clients.
set -euo pipefail
umask 077

. ~/.espalier.env
socket=/var/run/postgresql
place=~/.espalier

as_postgres() { (cd / && sudo -u postgres "$@"); }
finds() { [ "$(as_postgres psql --tuples-only --no-align --command "$1")" = 1 ]; }

sudo apt-get -qq install -y postgresql
as_postgres psql --quiet --command "ALTER SYSTEM SET listen_addresses = ''"
sudo systemctl restart postgresql
finds "SELECT 1 FROM pg_roles WHERE rolname = '$USER'" || as_postgres createuser "$USER"
for database in ledgers mlflow mlflow_auth; do
    finds "SELECT 1 FROM pg_database WHERE datname = '$database'" || as_postgres createdb --owner "$USER" "$database"
done

if [ ! -e "$place/mlflow.env" ]; then
    mkdir -p "$place" ~/.mlflow
    password=$(openssl rand -hex 24)
    cat > "$place/mlflow-auth.ini" <<EOF
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = postgresql+psycopg:///mlflow_auth?host=$socket
admin_username = espalier
admin_password = $password
EOF
    cat > ~/.mlflow/credentials <<EOF
[mlflow]
mlflow_tracking_username = espalier
mlflow_tracking_password = $password
EOF
    cat > "$place/mlflow.env" <<EOF
MLFLOW_AUTH_CONFIG_PATH=$place/mlflow-auth.ini
MLFLOW_FLASK_SERVER_SECRET_KEY=$(openssl rand -hex 32)
MLFLOW_DISABLE_TELEMETRY=true
EOF
fi

sudo tee /etc/systemd/system/mlflow.service > /dev/null <<EOF
[Unit]
After=network.target postgresql.service

[Service]
User=$USER
EnvironmentFile=$place/mlflow.env
ExecStart=$HOME/espalier/.venv/bin/mlflow server --app-name basic-auth --host 127.0.0.1 --port 5000 --workers 1 \\
    --backend-store-uri postgresql+psycopg:///mlflow?host=$socket --artifacts-destination $ESPALIER_STORE/mlflow
Restart=always

[Install]
WantedBy=multi-user.target
EOF
sudo systemctl daemon-reload
sudo systemctl enable --now mlflow
