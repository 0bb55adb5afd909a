// Recognises RSA moduli that can be factored: those of the smart cards of CVE-2017-15361 (ROCA).

// The primes of a modulus with the weakness of ROCA are powers of 65537 modulo a product of small primes. So the
// modulus is a power of 65537 modulo each of the small primes. A good modulus has that property by chance once in about
// a hundred million.
const GENERATOR = 65_537;
const PRIMES = [
  11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157, 163, 167, 3, 5, 7, 23, 29, 31, 41, 43, 47,
  59, 67, 83, 89, 101, 113, 131, 137, 139, 149,
];

/** Whether a modulus carries the fingerprint of ROCA. */
export function isFactorable(modulus: bigint): boolean {
  return PRIMES.every((prime) => isPowerOfGenerator(Number(modulus % BigInt(prime)), prime));
}

function isPowerOfGenerator(rest: number, prime: number): boolean {
  let power = 1;
  do {
    if (power === rest) return true;
    power = (power * GENERATOR) % prime;
  } while (power !== 1);
  return false;
}
