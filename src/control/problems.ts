export { formatProblem } from '../sources/yaml-document.js';
