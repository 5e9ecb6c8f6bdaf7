import { advertiseOnly, serve } from './meshedflow.mjs';
import { p2pml } from './p2pml.mjs';
import { plain } from './plain.mjs';

/** By name. See plain.mjs for the least that a product is. */
export const products = Object.fromEntries([plain, p2pml, serve, advertiseOnly].map((product) => [product.name, product]));
