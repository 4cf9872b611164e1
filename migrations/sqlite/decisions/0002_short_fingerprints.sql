-- Fingerprints are 128 bits: the first half of what they were.
UPDATE tokens SET fingerprint = substr(fingerprint, 1, 16);
