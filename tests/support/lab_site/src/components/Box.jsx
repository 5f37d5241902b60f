import React from 'react';

export default function Box({children}) {
  return <aside className="box">Box 0: {children}</aside>;
}
