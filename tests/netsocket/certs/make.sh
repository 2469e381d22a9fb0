#!/bin/sh
# Makes the test certificates anew: a CA, three certificates of it and one of a CA nobody trusts.
# The keys protect nothing; everything but "expired" is good until 2125. Needs OpenSSL 3.
set -eu
cd "$(dirname "$0")"
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
    openssl req -x509 -config "$work/ca.cnf" -extensions root -newkey ec \
        -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$1.key" -out "$1.pem" \
        -subj "/CN=atdriver tests: $1" -days 36500
}
issue() { # file, authority, alternative names, start, end
    openssl req -new -config "$work/ca.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$work/leaf.key" -out "$work/leaf.csr" -subj "/CN=$1"
    printf '%s\n' "[leaf]" "subjectAltName = $3" "basicConstraints = critical, CA:FALSE" \
        "subjectKeyIdentifier = hash" "authorityKeyIdentifier = keyid" \
        "keyUsage = critical, digitalSignature" > "$work/leaf.cnf"
    openssl ca -batch -notext -config "$work/ca.cnf" -cert "$2.pem" -keyfile "$work/$2.key" \
        -extfile "$work/leaf.cnf" -extensions leaf -in "$work/leaf.csr" -out "$work/leaf.pem" \
        -startdate "$4" -enddate "$5"
    cat "$work/leaf.key" "$work/leaf.pem" > "$1.pem"
}

authority ca
authority stranger
issue good ca "DNS:localhost, DNS:srv, IP:127.0.0.1" 20250101000000Z 21250101000000Z
issue wrong-host ca "DNS:elsewhere.example" 20250101000000Z 21250101000000Z
issue expired ca "DNS:localhost, IP:127.0.0.1" 20200101000000Z 20210101000000Z
issue unknown-ca stranger "DNS:localhost, IP:127.0.0.1" 20250101000000Z 21250101000000Z
rm stranger.pem
