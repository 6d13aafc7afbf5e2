#!/bin/sh
# Makes the files beside it with OpenSSL 3 and OpenSSH: public keys and
# certificates as people upload them (accepted), everything that gets uploaded by
# mistake (refused), and assertions that OpenSSL signed. The private keys in
# refused/ protect nothing.
#
#	cd credentials/testdata && sh generate.sh
#
# New files have other keys and so other thumbprints; the tests read those that
# they need from fingerprints.txt.
set -eu
cd "$(dirname "$0")"
rm -rf accepted refused assertions fingerprints.txt
mkdir accepted refused assertions
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
good=$here/accepted bad=$here/refused

# Keys, and what their public part looks like.
for bits in 1024 2047 2048 3072; do openssl genrsa -out rsa$bits.key $bits; done
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3 -out rsa-exponent-3.key
openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out rsa-pss.key
openssl dsaparam -genkey -noout -out dsa.key 2048
for curve in prime256v1 secp384r1 secp521r1 secp224r1 secp256k1; do
	openssl ecparam -name $curve -genkey -noout -out $curve.key
done
for type in ed25519 ed448 x25519 x448; do openssl genpkey -algorithm $type -out $type.key; done

public() { openssl pkey -in "$1" -pubout -out "$2"; }
public rsa2048.key "$good/rsa-2048.pem"
public rsa3072.key "$good/rsa-3072.pem"
public prime256v1.key "$good/ec-p256.pem"
public secp384r1.key "$good/ec-p384.pem"
public secp521r1.key "$good/ec-p521.pem"
public ed25519.key "$good/ed25519.pem"
openssl rsa -in rsa2048.key -RSAPublicKey_out -out "$good/rsa-2048-pkcs1.pem"
public rsa1024.key "$bad/rsa-1024.pem"
public rsa2047.key "$bad/rsa-2047.pem"
openssl rsa -in rsa1024.key -RSAPublicKey_out -out "$bad/rsa-1024-pkcs1.pem"
public rsa-exponent-3.key "$bad/rsa-exponent-3.pem"
public rsa-pss.key "$bad/rsa-pss.pem"
public dsa.key "$bad/dsa.pem"
public secp224r1.key "$bad/ec-p224.pem"
public secp256k1.key "$bad/ec-secp256k1.pem"
public ed448.key "$bad/ed448.pem"
public x25519.key "$bad/x25519.pem"
public x448.key "$bad/x448.pem"
openssl ec -in prime256v1.key -pubout -param_enc explicit -out "$bad/ec-explicit.pem"
openssl ec -in prime256v1.key -pubout -conv_form compressed -out "$bad/ec-compressed.pem"
openssl ecparam -name prime256v1 -out "$bad/ec-parameters.pem"

# Private keys, in each form that there is.
openssl pkcs8 -topk8 -nocrypt -in rsa2048.key -out "$bad/private-pkcs8.pem"
openssl rsa -in rsa2048.key -traditional -out "$bad/private-pkcs1.pem"
openssl ecparam -name prime256v1 -genkey -out "$bad/private-sec1.pem" # with its parameters before
cp ed25519.key "$bad/private-ed25519.pem"
openssl dsa -in dsa.key -out "$bad/private-dsa.pem"
openssl pkcs8 -topk8 -in prime256v1.key -passout pass:test -out "$bad/private-encrypted.pem"
openssl rsa -in rsa2048.key -traditional -aes128 -passout pass:test -out "$bad/private-encrypted-old.pem"
openssl pkcs8 -topk8 -nocrypt -in prime256v1.key -outform DER -out "$bad/private-pkcs8.der"
openssl pkcs8 -topk8 -in prime256v1.key -passout pass:test -outform DER -out "$bad/private-encrypted.der"
openssl ec -in prime256v1.key -outform DER -out "$bad/private-sec1.der"
openssl rsa -in rsa2048.key -traditional -outform DER -out "$bad/private-pkcs1.der"
openssl rsa -in rsa2048.key -noout -text -out "$bad/private-text.txt"
ssh-keygen -q -t ed25519 -N '' -C test -f ssh
cp ssh "$bad/private-openssh.pem"
cp ssh.pub "$bad/openssh.pub"
ssh-keygen -e -m RFC4716 -f ssh.pub >"$bad/openssh-rfc4716.pub"

# Certificates of an authority of our own, which can date them as it likes.
cat >ca.cnf <<'CNF'
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
default_crl_days = 30
[any]
commonName = supplied
[plain]
subjectAltName = DNS:client.example
[signing]
keyUsage = critical,digitalSignature
[encrypting]
keyUsage = critical,keyEncipherment
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
CNF
: >index.txt
echo 1000 >serial
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 36500 -subj '/CN=Test CA'
# certificate KEY FROM TO EXTENSIONS OUT
certificate() {
	openssl req -new -key "$1" -subj '/CN=client' -out request.pem
	openssl ca -batch -notext -config ca.cnf -cert ca.pem -keyfile ca.key -in request.pem \
		-startdate "$2" -enddate "$3" -extensions "$4" -out "$5"
}
from=20250101000000Z to=20350101000000Z
certificate rsa2048.key $from $to plain "$good/certificate-rsa.pem"
certificate prime256v1.key $from $to signing "$good/certificate-ec-signing.pem"
certificate ed25519.key $from $to plain "$good/certificate-ed25519.pem"
certificate prime256v1.key 20200101000000Z 20210101000000Z plain "$good/certificate-expired.pem"
certificate prime256v1.key 20340101000000Z 20350101000000Z plain "$good/certificate-not-yet.pem"
openssl req -x509 -key secp384r1.key -out "$good/certificate-self-signed.pem" -days 36500 -subj '/CN=client' # CA:TRUE
openssl x509 -in "$good/certificate-rsa.pem" -text -out "$good/certificate-with-text.pem"
openssl pkcs12 -export -inkey rsa2048.key -in "$good/certificate-rsa.pem" -passout pass:test -out "$bad/private-pkcs12.p12"
openssl pkcs12 -in "$bad/private-pkcs12.p12" -passin pass:test -nokeys -out "$good/certificate-with-bag-attributes.pem"
certificate prime256v1.key $from $to encrypting "$bad/certificate-encrypting.pem"
certificate prime256v1.key $from $to authority "$bad/certificate-authority-usage.pem"
certificate rsa1024.key $from $to plain "$bad/certificate-rsa-1024.pem"
certificate secp224r1.key $from $to plain "$bad/certificate-ec-p224.pem"
certificate secp256k1.key $from $to plain "$bad/certificate-ec-secp256k1.pem"
certificate dsa.key $from $to plain "$bad/certificate-dsa.pem"
certificate ed448.key $from $to plain "$bad/certificate-ed448.pem"
cp request.pem "$bad/request.pem"
openssl ca -gencrl -config ca.cnf -cert ca.pem -keyfile ca.key -out "$bad/crl.pem"
openssl crl2pkcs7 -nocrl -certfile "$good/certificate-rsa.pem" -out "$bad/pkcs7.pem"
openssl x509 -in "$good/certificate-rsa.pem" -trustout -addtrust clientAuth -out "$bad/trusted-certificate.pem"
openssl x509 -in "$good/certificate-rsa.pem" -outform DER -out "$bad/certificate.der"
openssl pkey -in prime256v1.key -pubout -outform DER -out "$bad/public.der"

for file in "$good"/certificate-*.pem; do
	for hash in sha1 sha256; do
		printf '%s %s %s\n' "$(basename "$file")" $hash \
			"$(openssl x509 -in "$file" -noout -fingerprint -$hash | sed 's/.*=//; s/://g')"
	done
done >"$here/fingerprints.txt"

# Assertions as callers sign them, with exp 2030-01-01T00:00:00Z.
text() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
input() {
	printf '%s.%s' "$(printf '{"alg":"%s","typ":"JWT"}' "$1" | text)" "$(printf \
		'{"iss":"c_openssl","sub":"c_openssl","aud":"https://api.example","exp":1893456000}' | text)"
}
sign() { # ALG ARGUMENTS…
	alg=$1
	shift
	input "$alg" >input
	"$@" -out signature <input
	printf '%s.%s\n' "$(cat input)" "$(text <signature)" >"$here/assertions/$alg.jwt"
}
sign RS256 openssl dgst -sha256 -sign rsa2048.key
sign RS512 openssl dgst -sha512 -sign rsa2048.key
sign PS256 openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -sign rsa2048.key
sign EdDSA openssl pkeyutl -sign -rawin -inkey ed25519.key -in input
