#!/bin/sh
# Makes certificates for tests anew: a CA whose key is thrown away, leaves of it, one of a CA nobody
# trusts. Everything but "expired" is good until 2125. The leaves' keys are public, so they protect
# nothing, and their names are such that nobody relies on them. Needs OpenSSL 3.
#
#   make.sh                                                  the far end's, in this directory
#   make.sh DIRECTORY ec "DNS:localhost, DNS:srv, IP:127.0.0.1"    others
set -eu
cd "$(dirname "$0")"
cd "${1:-.}"
case "${2:-rsa}" in # RSA: the only kind that every module's TLS knows
    ec) key="ec -pkeyopt ec_paramgen_curve:P-256" ;;
    *) key="rsa:2048" ;;
esac
names=${3:-DNS:far-end.atdriver.invalid}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: > "$work/index"
echo 01 > "$work/serial"
cat > "$work/ca.cnf" <<CNF
[ca]
default_ca = own
[own]
database = $work/index
serial = $work/serial
new_certs_dir = $work
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
CNF

authority() { # name
    # shellcheck disable=SC2086
    openssl req -new -config "$work/ca.cnf" -newkey $key -nodes -keyout "$work/$1.key" \
        -out "$work/$1.csr" -subj "/CN=atdriver tests: $1"
    openssl ca -batch -notext -config "$work/ca.cnf" -selfsign -keyfile "$work/$1.key" \
        -extfile "$work/ca.cnf" -extensions root -in "$work/$1.csr" -out "$1.pem" \
        -startdate 20190101000000Z -enddate 21250101000000Z
}
issue() { # file, authority, alternative names, start, end
    # shellcheck disable=SC2086
    openssl req -new -config "$work/ca.cnf" -newkey $key -nodes \
        -keyout "$work/leaf.key" -out "$work/leaf.csr" -subj "/CN=$1"
    printf '%s\n' "[leaf]" "subjectAltName = $3" "basicConstraints = critical, CA:FALSE" \
        "subjectKeyIdentifier = hash" "authorityKeyIdentifier = keyid" \
        "keyUsage = critical, digitalSignature, keyEncipherment" > "$work/leaf.cnf"
    openssl ca -batch -notext -config "$work/ca.cnf" -cert "$2.pem" -keyfile "$work/$2.key" \
        -extfile "$work/leaf.cnf" -extensions leaf -in "$work/leaf.csr" -out "$work/leaf.pem" \
        -startdate "$4" -enddate "$5"
    cat "$work/leaf.key" "$work/leaf.pem" > "$1.pem"
}

authority ca
authority stranger
issue good ca "$names" 20250101000000Z 21250101000000Z
issue client ca "DNS:client.atdriver.invalid" 20250101000000Z 21250101000000Z
issue wrong-host ca "DNS:elsewhere.example" 20250101000000Z 21250101000000Z
issue expired ca "$names" 20200101000000Z 20210101000000Z
issue unknown-ca stranger "$names" 20250101000000Z 21250101000000Z
rm stranger.pem
