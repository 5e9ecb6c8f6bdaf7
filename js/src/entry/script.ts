/** `<script src=".../meshedflow.js">`: everything as the global `MeshedFlow`; wasm beside the script. */
export * from '../api.js';
