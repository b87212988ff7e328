#!/usr/bin/env bash
# Installs what the real servers and the browser of the tests need, on Debian, and starts none of it:
#   scripts/install_servers.sh [kafka rabbitmq activemq artemis postgres chromium openssl]   (default: all)
# Needs root or sudo where a package is missing. The jars come by Maven, from where its settings say.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi; }

wanted=("$@")
[ "${#wanted[@]}" -gt 0 ] || wanted=(kafka rabbitmq activemq artemis postgres chromium)

packages=()
jars=()
need() { command -v "$1" >/dev/null || packages+=("$2"); }
for name in "${wanted[@]}"; do
    case "$name" in
    kafka | activemq | artemis)
        need javac default-jdk-headless
        need mvn maven
        need openssl openssl
        jars+=("$name")
        ;;
    rabbitmq) [ -e /usr/lib/rabbitmq/bin/rabbitmq-server ] || packages+=(rabbitmq-server) ;;
    postgres)
        compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || need initdb postgresql
        need setpriv util-linux
        ;;
    chromium) command -v chromium-browser >/dev/null || need chromium chromium ;;
    openssl) need openssl openssl ;;
    *)
        echo "error: $name is not known: choose from kafka rabbitmq activemq artemis postgres chromium openssl" >&2
        exit 2
        ;;
    esac
done

# A package must not start a service: tests and `orders servers` run their own, on other ports.
policy=/usr/sbin/policy-rc.d
forbid_services() {
    [ ! -e "$policy" ] || return 0
    trap 'as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

if [ "${#packages[@]}" -gt 0 ]; then
    forbid_services
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 \
        install -y -qq --no-install-recommends "${packages[@]}"
fi

if [ "${#jars[@]}" -gt 0 ]; then
    make --no-print-directory setup
    .venv/bin/orders servers fetch "${jars[@]}"
fi
