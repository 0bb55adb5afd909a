// The thread that estimates how many guesses a password withstands (strength.ts). It handles one request after another.
import { parentPort } from 'node:worker_threads';
import { estimateGuesses } from './estimate.ts';
import type { Question } from './strength.ts';

parentPort?.postMessage('loaded');
parentPort?.on('message', ({ password, words, enough }: Question) => {
  parentPort?.postMessage(estimateGuesses(password, words, enough));
});
