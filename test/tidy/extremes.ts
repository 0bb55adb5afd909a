// Prints the longest function, the longest file and the fullest folder of src/, so that growth is visible before a
// limit is reached. `npm run check` runs this as its last step.
import { ownSources, readRepository } from './repository.ts';
import { extremesOf } from './sizes.ts';

const { longestFunction, longestFile, fullestFolder } = extremesOf(ownSources(readRepository()));
console.log(`longest function  ${longestFunction.name}, ${longestFunction.size} lines`);
console.log(`longest file      ${longestFile.name}, ${longestFile.size} lines`);
console.log(`fullest folder    ${fullestFolder.name}, ${fullestFolder.size} files`);
